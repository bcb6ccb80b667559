// Playing: an <audio> element, a cursor that moves with it over pictures, and the sound of the step under the cursor.
// `root` has the parts .sp-audio, .sp-button, .sp-slider, .sp-track, .sp-cursor and .sp-status. `load` gives it a sound:
// steps, seconds (of a step), piece (s that a step sounds), middle (s from a step's begin to the middle of what it holds),
// decode (context => AudioBuffer), show (step => what is drawn for it) and words (step => what is said of it).
const playing = (root) => {
  const [audio, button, status, slider, track, cursor] = ["audio", "button", "status", "slider", "track", "cursor"].map((name) =>
    root.querySelector(".sp-" + name),
  );
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const FADE = 0.008; // s, so that a cut-out piece of sound does not click
  let [data, last, step] = [null, 0, 0];
  let [context, decoded, piece, frame] = [null, null, null, 0];

  const position = () => Math.min(last, Math.floor(audio.currentTime / data.seconds + 0.01));

  function show(n) {
    step = n;
    cursor.style.left = (100 * n) / data.steps + "%";
    data.show(n);
    status.replaceChildren();
    for (const word of data.words(n)) {
      const span = document.createElement("span");
      span.textContent = word;
      status.append(span, " ");
    }
    if (audio.paused) {
      slider.setAttribute("aria-valuenow", n + 1);
      slider.setAttribute("aria-valuetext", `step ${n + 1} of ${data.steps}`);
    }
  }

  function follow(now, shown) {
    if (audio.paused) return;
    const due = !calm.matches || now - shown >= 250;
    if (due && position() !== step) show(position());
    frame = requestAnimationFrame((next) => follow(next, due ? now : shown));
  }

  function hush() {
    if (!piece) return;
    piece.gain.gain.cancelScheduledValues(context.currentTime);
    piece.gain.gain.setTargetAtTime(0, context.currentTime, 0.002);
    piece.source.stop(context.currentTime + 0.015);
    piece = null;
  }

  async function sound(n) {
    context ??= new AudioContext();
    decoded ??= data.decode(context);
    context.resume();
    const mine = data;
    const buffer = await decoded;
    if (data !== mine || n !== step || !audio.paused) return;
    hush();
    const middle = n * data.seconds + data.middle;
    const from = Math.max(0, middle - data.piece / 2);
    const length = Math.min(buffer.duration, middle + data.piece / 2) - from;
    const start = context.currentTime;
    const source = new AudioBufferSourceNode(context, { buffer });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(1, start + FADE);
    gain.gain.setValueAtTime(1, start + length - FADE);
    gain.gain.linearRampToValueAtTime(0, start + length);
    source.connect(gain).connect(context.destination);
    source.start(start, from, length);
    piece = { source, gain };
  }

  function go(n) {
    audio.pause();
    audio.currentTime = n * data.seconds;
    show(n);
    sound(n);
  }

  function toggle() {
    if (!audio.paused) {
      audio.pause();
      return;
    }
    hush();
    if (step === last) audio.currentTime = 0;
    audio.play().catch((error) => {
      status.textContent = `The browser does not play: ${error.message}`;
    });
  }

  function silenceFor(event) {
    if (event.target !== audio) audio.pause(); // one sound at a time on a page
  }

  audio.addEventListener("play", () => {
    button.textContent = "❚❚ Pause";
    status.setAttribute("aria-live", "off");
    document.addEventListener("play", silenceFor, true);
    cancelAnimationFrame(frame); // one chain of frames only, however quickly somebody pauses and plays
    frame = requestAnimationFrame((now) => follow(now, now));
  });

  audio.addEventListener("pause", () => {
    button.textContent = "▶ Play";
    status.setAttribute("aria-live", "polite");
    document.removeEventListener("play", silenceFor, true);
    show(position());
  });

  function key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = { ArrowLeft: step - 1, ArrowDown: step - 1, ArrowRight: step + 1, ArrowUp: step + 1, Home: 0, End: last };
    if (event.key in moves) go(Math.max(0, Math.min(last, moves[event.key])));
    else if ([" ", "Enter"].includes(event.key) && event.target === slider) toggle();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function point(event) {
    const box = track.getBoundingClientRect();
    const n = Math.floor(((event.clientX - box.left) / box.width) * data.steps);
    return Math.max(0, Math.min(last, n));
  }

  for (const part of [button, slider]) part.addEventListener("keydown", key);

  slider.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    slider.setPointerCapture(event.pointerId);
    go(point(event));
  });

  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId) && point(event) !== step) go(point(event));
  });

  button.addEventListener("click", toggle);

  return {
    load(given) {
      hush();
      [data, last, decoded] = [given, given.steps - 1, null];
      cursor.style.width = 100 / data.steps + "%";
      slider.setAttribute("aria-valuemax", data.steps);
      show(0);
    },
    refresh: () => show(step), // what is drawn for the step has changed
    stop: () => audio.pause(),
  };
};
