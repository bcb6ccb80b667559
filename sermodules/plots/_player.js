function attentionPlayer(id, script, data) {
  // JupyterLab may show one output twice, with the same id; other programs run the script outside of the player.
  const root = (script && script.closest(".sermodules-player")) || document.getElementById(id);
  const part = (name) => root.querySelector(".sp-" + name);
  const pictures = [...root.querySelectorAll(".sp-bars")];
  const audio = part("audio");
  const last = data.steps - 1;
  const time = (n) => (n * data.seconds).toFixed(2) + " s";

  audio.removeAttribute("controls");
  audio.hidden = true;
  for (const name of ["bar", "slider", "help"]) part(name).hidden = false;
  playing(root).load({
    ...data,
    decode: (context) => context.decodeAudioData(decoding.bytes(audio.src)),
    show: (n) => pictures.forEach((picture, i) => {
      const { before, top, rows } = data.windows[i];
      picture.setAttribute("d", drawing.bars(rows[n], n, { before, top, last }));
    }),
    words: (n) => [
      time(n) + (n >= data.end ? ", padding" : ""),
      ...data.weights.map(([name, values]) => `${name}: ${values[n].toFixed(2)} × plain mean`),
    ],
  });
}
