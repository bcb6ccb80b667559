// The reader judges recordings, one at a time. What was asked for and what people heard is hidden until an answer is given.
function judgeRecordings(id, script, data) {
  const root = (script && script.closest(".sermodules-judge")) || document.getElementById(id);
  const part = (name, of = root) => of.querySelector(".ju-" + name);
  const items = [...root.querySelectorAll(".ju-item")];
  const [status, next, end] = [part("status"), part("next"), part("end")];
  const systems = [...new Set(data.recordings.flatMap((one) => Object.keys(one.systems)))];
  const heard = new Set(); // recordings that were played
  let answers = [];
  let now = 0;

  const buttons = (item) => [...item.querySelectorAll(".ju-choices button")];
  const audios = items.map((item) => item.querySelector("audio"));
  const count = (right) => data.recordings.filter(right).length;

  function show(n, focus) {
    now = n;
    audios.forEach((audio) => audio.pause());
    items.forEach((item, i) => (item.hidden = i !== n));
    status.textContent = "";
    next.hidden = true;
    end.hidden = n < items.length;
    if (!end.hidden) summary();
    if (focus) (end.hidden ? items[n].querySelector(".sp-title") : end).focus();
  }

  function answer(button, name) {
    if (answers[now] !== undefined) return;
    if (!heard.has(now)) {
      status.textContent = "Play the recording first.";
      return;
    }
    const one = data.recordings[now];
    answers[now] = name;
    for (const each of buttons(items[now])) each.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-pressed", "true");
    const result = part("result", items[now]);
    result.hidden = false;
    result.open = true;
    const said = systems.filter((who) => one.systems[who]).map((who) => ` ${who} says ${one.systems[who]}.`);
    status.textContent = `You said ${name}. The actor was asked for ${one.asked}. ${one.people}${said.join("")}`;
    next.hidden = false;
    next.textContent = now + 1 < items.length ? "Next recording" : "How you did";
  }

  function row(cells, kind, to) {
    const line = to.appendChild(document.createElement("tr"));
    cells.forEach((text, i) => {
      const cell = line.appendChild(document.createElement(i && kind === "td" ? "td" : "th"));
      cell.scope = kind === "td" ? "row" : "col";
      if (cell.tagName === "TD") cell.removeAttribute("scope");
      cell.textContent = text;
    });
  }

  function summary() {
    const all = items.length;
    const asked = count((one, i) => answers[i] === one.asked);
    const people = count((one, i) => answers[i] === one.most);
    const chance = data.recordings.reduce((sum, one) => sum + one.share, 0);
    part("agreed").textContent =
      `You chose what was asked for in ${asked} of ${all}, and what most people chose in ${people}. ` +
      `One of these people, drawn by chance for each recording, would get ${chance.toFixed(1)} of ${all} on average.` +
      systems.map((who) => ` ${who} gets ${count((one) => one.systems[who] === one.asked)}.`).join("");
    const [head, body] = ["thead", "tbody"].map((name) => part("all").querySelector(name));
    head.replaceChildren();
    body.replaceChildren();
    row(["recording", "you", "asked for", "most people", ...systems], "th", head);
    data.recordings.forEach((one, i) => {
      row([i + 1, answers[i], one.asked, one.most ?? "no class", ...systems.map((who) => one.systems[who] ?? "–")], "td", body);
    });
    next.textContent = "Begin again";
    next.hidden = false;
  }

  function begin(focus) {
    answers = [];
    heard.clear();
    for (const item of items) {
      part("choices", item).hidden = false;
      const result = part("result", item);
      result.open = false;
      result.hidden = true;
      for (const button of buttons(item)) {
        button.setAttribute("aria-pressed", "false");
        button.removeAttribute("aria-disabled");
      }
    }
    show(0, focus);
  }

  items.forEach((item, i) => buttons(item).forEach((button, k) => {
    button.addEventListener("click", () => answer(button, data.classes[k]));
  }));
  audios.forEach((audio, i) => {
    audio.addEventListener("play", () => {
      heard.add(i);
      if (i === now && answers[i] === undefined) status.textContent = "";
    });
    audio.addEventListener("error", () => heard.add(i)); // who cannot hear it shall still get on
  });
  document.addEventListener("play", (event) => {
    for (const audio of audios) if (event.target !== audio) audio.pause(); // one sound at a time on a page
  }, true);
  next.addEventListener("click", () => (now < items.length ? show(now + 1, true) : begin(true)));
  root.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) event.stopPropagation(); // a player goes through its sound; no theme turns the page
  });
  begin(false);
}
