// The page "Try it": a recording in, what the network hears out. Decoding, drawing and playing are those of the attention
// player; features and network run in a worker, which is made of text because a page from a file may load no other file.
function tryIt(id, script, data) {
  const root = (script && script.closest(".sermodules-try")) || document.getElementById(id);
  const part = (name) => root.querySelector(".ti-" + name);
  const [STEPS, SECONDS] = [150, 0.02]; // of a segment; of a step
  const LIMIT = 10; // s of a recording that is made here

  // --- the worker: a question goes out with a number, and its answer comes back with it

  const worker = new Worker(URL.createObjectURL(new Blob([data.worker], { type: "text/javascript" })));
  const waiting = new Map();
  worker.postMessage({ models: data.models });
  worker.onmessage = ({ data: { id, result, error } }) => {
    const [resolve, reject] = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  };
  let questions = 0;
  const ask = (question) => new Promise((resolve, reject) => {
    waiting.set(++questions, [resolve, reject]);
    worker.postMessage({ ...question, id: questions });
  });

  // --- what is chosen, and what was heard

  const player = playing(part("live-plots"));
  const known = []; // features of the reader's three sentences
  let heard = 0; // how many were heard, again or for the first time
  let recording = null;
  let turn = 0; // who began later wins

  const say = (text) => {
    part("status").textContent = text;
  };
  const picked = (name) => root.querySelector(`input[name="${id}-${name}"]:checked`).value;
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const best = (posteriors) => data.classes[posteriors.indexOf(Math.max(...posteriors))];

  // Where segments begin: one after the other, as in the test of a run.
  const starts = (frames) => Array.from({ length: Math.ceil(frames / 300) }, (_, i) => 300 * i);

  // The highest posterior of each class over the segments, brought to a sum of 1.
  function pooled(segments) {
    const most = data.classes.map((_, i) => Math.max(...segments.map((one) => one.posteriors[i])));
    return most.map((value) => value / most.reduce((a, b) => a + b));
  }

  async function listen(name, blob, own = false) {
    const mine = ++turn;
    player.stop();
    say(`Reading ${name} …`);
    try {
      const signal = await decoding.samples(blob, own);
      const x = await ask({ job: "features", signal });
      if (mine !== turn) return;
      const frames = x.length / 120;
      recording = { name, signal, x, frames, segments: starts(frames), answers: new Map(), guess: null };
      drawRecording();
      await answer();
    } catch (error) {
      if (mine === turn) say(`${name} cannot be used: ${error.message}.`);
    }
  }

  // What a model says of the recording, segment by segment. Null if somebody has begun something else meanwhile.
  async function predict(model, gender, statistics, mine) {
    const { x, segments } = recording;
    const found = [];
    for (const start of segments) {
      say(`The network is listening: segment ${found.length + 1} of ${segments.length} …`);
      found.push(await ask({ job: "segment", model, x, start, gender, statistics }));
      if (mine !== turn) return null;
    }
    return found;
  }

  async function answer() {
    if (!recording) return;
    const mine = ++turn;
    const told = picked("told");
    const model = `${picked("model")}-${told === "nothing" ? "none" : "embedding"}`;
    const key = `${model} ${told}`;
    const found = recording.answers.get(key) ?? (await predict(model, told === "man" ? 1 : 0, null, mine));
    if (!found) return;
    recording.answers.set(key, found);
    recording.shown = found;
    const guessing = part("guessing").checked && !recording.guess;
    part("guess").hidden = !guessing;
    part("answer").hidden = guessing;
    part("looks").hidden = guessing;
    if (guessing) say(`The network has heard ${recording.name}. What will it say?`);
    else show();
    await compare(mine);
  }

  // --- the answer

  function rows(posteriors) {
    return data.classes.map((name, i) => {
      const row = document.createElement("tr");
      row.innerHTML = `<th scope="row"></th><td class="ti-bar"><div></div></td><td>${percent(posteriors[i])}</td>`;
      row.firstChild.textContent = name;
      Object.assign(row.querySelector("div").style, { width: `${100 * posteriors[i]}%`, background: data.colours[i] });
      return row;
    });
  }

  function show() {
    const { shown, guess, name } = recording;
    const posteriors = pooled(shown);
    const verdict = best(posteriors);
    part("bars").replaceChildren(...rows(posteriors));
    const own = guess ? ` You expected ${guess}${guess === verdict ? ", too" : ""}.` : "";
    say(`${name}: the network says ${verdict} (${percent(Math.max(...posteriors))}).${own}`);
    part("segments").textContent = shown.length === 1 ? "" :
      `Segment by segment: ${shown.map((one, i) => `${3 * i} to ${3 * i + 3} s ${best(one.posteriors)}`).join(", ")}. ` +
      "The highest posterior of each class counts, brought to a sum of 1.";
    drawLooks();
  }

  // --- pictures

  const setPath = (name, path) => part(name).setAttribute("d", path);
  const views = (name, steps) => part(name).ownerSVGElement.setAttribute("viewBox", `0 0 ${steps} 1`);

  function drawRecording() {
    const { name, signal, x, frames, segments } = recording;
    const steps = STEPS * segments.length;
    const peak = signal.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const sound = new Float32Array(steps * SECONDS * decoding.RATE);
    sound.set(signal.map((value) => value / peak).subarray(0, sound.length));
    part("name").textContent = name;
    part("live-plots").hidden = false;
    setPath("wave", drawing.wave(sound));
    const image = part("log-mel");
    image.setAttribute("href", drawing.picture(x, 40, 3, data.magma));
    image.setAttribute("width", frames);
    image.ownerSVGElement.setAttribute("viewBox", `0 0 ${300 * segments.length} 40`);
    for (const padding of root.querySelectorAll(".sp-padding")) padding.style.width = `${100 * (1 - frames / (300 * segments.length))}%`;
    drawTime(steps * SECONDS);
    part("looks").hidden = true;
    const audio = root.querySelector(".sp-audio");
    URL.revokeObjectURL(audio.src);
    audio.src = URL.createObjectURL(decoding.wav(sound));
    recording.shown = null;
    player.load({
      steps,
      seconds: SECONDS,
      piece: data.piece,
      middle: data.middle,
      decode: (context) => {
        const buffer = context.createBuffer(1, sound.length, decoding.RATE);
        buffer.copyToChannel(sound, 0);
        return buffer;
      },
      show: drawStep,
      words: (step) => [
        `${(step * SECONDS).toFixed(2)} s${2 * step >= frames ? ", padding" : ""}`,
        ...(recording.shown && !part("looks").hidden ? [`counts ${counted(step).toFixed(2)} × plain mean`, `alone: ${best(segmentOf(step).alone[step % STEPS])}`] : []),
      ],
    });
  }

  const segmentOf = (step) => recording.shown[Math.floor(step / STEPS)];
  const counted = (step) => STEPS * segmentOf(step).weights[step % STEPS];

  function drawTime(seconds) {
    const every = seconds > 12 ? 3 : seconds > 3 ? 1 : 0.5;
    const ticks = Array.from({ length: Math.round(seconds / every) + 1 }, (_, i) => {
      const tick = document.createElement("span");
      tick.className = "sp-tick";
      tick.textContent = (i * every).toFixed(every < 1 ? 1 : 0);
      tick.style.left = `${(100 * i * every) / seconds}%`;
      return tick;
    });
    part("time").replaceChildren(...ticks);
  }

  function drawLooks() {
    const { shown } = recording;
    const steps = STEPS * shown.length;
    const weights = shown.flatMap((one) => Array.from(one.weights, (weight) => STEPS * weight));
    const top = 1.08 * Math.max(1, ...weights);
    views("weights", steps);
    setPath("weights", drawing.stairs(weights, top));
    setPath("mean", `M0 ${1 - 1 / top}H${steps}`);
    part("top").textContent = top >= 2 ? Math.floor(top) : "";
    part("top").style.bottom = `${(100 * Math.floor(top)) / top}%`;
    part("one").style.bottom = `${100 / top}%`;
    part("window-panel").hidden = !shown[0].windows;
    data.classes.forEach((_, i) => {
      views(`alone-${i}`, steps);
      setPath(`alone-${i}`, drawing.stairs(shown.flatMap((one) => one.alone.map((posteriors) => posteriors[i])), 1.04));
    });
    part("looks").hidden = false;
    player.refresh();
  }

  function drawStep(step) {
    if (!recording.shown || !segmentOf(step).windows) return;
    const { windows } = segmentOf(step);
    const [from, steps] = [STEPS * Math.floor(step / STEPS), STEPS * recording.shown.length];
    const row = Array.from(windows.subarray(15 * (step - from), 15 * (step - from + 1)), (weight) => 15 * weight);
    views("window", steps);
    setPath("window", drawing.bars(row, step, { before: 7, top: 1.08 * Math.max(1, ...row), last: steps - 1 }));
  }

  // --- the microphone, which is asked for when somebody clicks, and let go when the recording ends

  let recorder = null;

  async function record(button, heard) {
    if (recorder) {
      recorder.stop?.();
      return;
    }
    recorder = {}; // a second click while the browser asks does nothing
    const text = button.textContent;
    let stream = null;
    try {
      if (!navigator.mediaDevices) throw Object.assign(new Error(), { name: "NotFoundError" });
      const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
      const pieces = [];
      const media = new MediaRecorder(stream, { audioBitsPerSecond: 128000 });
      await new Promise((resolve, reject) => {
        media.ondataavailable = ({ data }) => pieces.push(data);
        media.onstop = resolve;
        media.onerror = () => reject(new Error("the browser stopped recording"));
        media.start();
        recorder.stop = () => media.state === "recording" && media.stop();
        setTimeout(recorder.stop, 1000 * LIMIT);
        button.textContent = "■ Stop";
        button.setAttribute("aria-pressed", "true");
        say(`Recording, up to ${LIMIT} s. Click again to stop.`);
      });
      heard(new Blob(pieces, { type: media.mimeType }));
    } catch (error) {
      const reasons = {
        NotAllowedError: "The microphone was refused.",
        NotFoundError: "This browser has no microphone for this page.",
      };
      say(`${reasons[error.name] ?? `The microphone does not work: ${error.message}.`} Files and the voices below work without it.`);
    } finally {
      stream?.getTracks().forEach((track) => track.stop());
      recorder = null;
      button.textContent = text;
      button.removeAttribute("aria-pressed");
    }
  }

  // --- knowing the voice

  async function enrol(place, blob, own) {
    try {
      known[place] = await ask({ job: "features", signal: await decoding.samples(blob, own) });
      heard += 1;
      part(`heard-${place}`).textContent = "heard";
      say(`Sentence ${place + 1} is heard.`);
      await compare(turn);
    } catch (error) {
      say(`Sentence ${place + 1} cannot be used: ${error.message}.`);
    }
  }

  // What a network that is standardised by speaker says, if it knows this one recording, and if it knows the three sentences.
  async function compare(mine) {
    if (!data.models.voice || !recording?.shown || !part("guess").hidden || [0, 1, 2].some((i) => !known[i])) return;
    if (recording.compared === heard) return;
    const said = part("status").textContent;
    for (const [name, recordings] of [["alone", [recording.x]], ["known", known]]) {
      const found = await predict("voice", 0, await ask({ job: "statistics", recordings }), mine);
      if (!found) return;
      part(`voice-${name}`).replaceChildren(...rows(pooled(found)));
    }
    recording.compared = heard;
    part("voice-result").hidden = false;
    say(said);
  }

  // --- who clicks what

  part("record").addEventListener("click", () => record(part("record"), (blob) => listen("Your recording", blob, true)));
  part("file").addEventListener("change", ({ target }) => {
    if (target.files.length) listen(target.files[0].name, target.files[0]);
    target.value = ""; // the same file may be taken again
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) listen(file.name, file);
  });
  root.querySelectorAll(".ti-voice-button").forEach((button, i) =>
    button.addEventListener("click", () => listen(button.textContent, new Blob([decoding.bytes(data.voices[i])]))),
  );
  root.querySelectorAll(".ti-guess button").forEach((button) =>
    button.addEventListener("click", () => {
      recording.guess = button.textContent;
      answer();
    }),
  );
  root.querySelectorAll("fieldset input").forEach((input) => input.addEventListener("change", answer));
  part("guessing").addEventListener("change", answer);
  root.querySelectorAll(".ti-sentence").forEach((button, i) =>
    button.addEventListener("click", () => record(button, (blob) => enrol(i, blob, true))),
  );
  part("sentence-files")?.addEventListener("change", ({ target }) => {
    [...target.files].slice(0, 3).forEach((file, i) => enrol(i, file, false));
    target.value = "";
  });

  root.querySelector(".sp-audio").hidden = true;
  part("static").hidden = true;
  part("live").hidden = false;
}
