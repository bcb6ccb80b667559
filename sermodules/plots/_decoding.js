// Decoding: the bytes of an audio file become samples, 16 kHz, mono, as `sermodules.corpora.audio.read` makes them.
const decoding = (() => {
  const RATE = 16000; // Hz
  const LONGEST = 30; // s that the page takes
  const HUGE = 50e6; // bytes of a file that does not say how long it is
  const SILENCE = 1e-4; // 80 dB below full scale

  const bytes = (uri) => Uint8Array.from(atob(uri.split(",")[1]), (c) => c.charCodeAt(0)).buffer;

  // The sampling rate of a WAV file, which a browser does not tell: it resamples whatever it decodes. 0 if it is no WAV file.
  function wavRate(buffer) {
    const view = new DataView(buffer);
    const word = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
    if (buffer.byteLength < 44 || word(0) !== "RIFF" || word(8) !== "WAVE") return 0;
    for (let at = 12; at + 28 <= buffer.byteLength; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
      if (word(at) === "fmt ") return view.getUint32(at + 12, true);
    }
    return 0;
  }

  // How long a file is, from its header: a file of two hours is not decoded to find that out. Infinity if nobody knows.
  function duration(file) {
    return new Promise((resolve, reject) => {
      const audio = new Audio();
      const done = (settle, value) => {
        URL.revokeObjectURL(audio.src);
        settle(value);
      };
      audio.onloadedmetadata = () => done(resolve, audio.duration);
      audio.onerror = () => done(reject, new Error("this browser finds no sound in it that it can read"));
      audio.preload = "metadata";
      audio.src = URL.createObjectURL(file);
    });
  }

  // Kaiser-windowed sinc, flat up to 0.91 of the lower Nyquist frequency and 120 dB down from it on: what soxr's "HQ" does.
  function resample(signal, from, to = RATE) {
    if (from === to) return signal;
    const cutoff = 0.956 * Math.min(1, to / from); // of the old Nyquist frequency
    const half = Math.ceil(92 / Math.min(1, to / from)); // samples on either side
    const beta = 12.3;
    const bessel = (x) => {
      let sum = 1;
      for (let term = 1, k = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
      return sum;
    };
    const kernel = (x) => {
      const inside = 1 - (x / half) ** 2;
      if (inside <= 0) return 0;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
      return (cutoff * sinc * bessel(beta * Math.sqrt(inside))) / bessel(beta);
    };
    // The new samples lie at `phases` places between two old ones, again and again: a table of kernels, one a phase.
    const divisor = ((a, b) => { while (b) [a, b] = [b, a % b]; return a; })(from, to);
    const [up, down] = [to / divisor, from / divisor];
    const tables = [];
    const table = (phase) => (tables[phase] ??= Float64Array.from({ length: 2 * half }, (_, i) => kernel(i - half + 1 - phase / up)));
    const result = new Float32Array(Math.round((signal.length * to) / from));
    for (let n = 0; n < result.length; n++) {
      const first = Math.floor((n * down) / up) - half + 1;
      const weights = table((n * down) % up);
      let sum = 0;
      for (let i = Math.max(0, -first); i < 2 * half && first + i < signal.length; i++) sum += weights[i] * signal[first + i];
      result[n] = sum;
    }
    return result;
  }

  function mono(buffer) {
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
    return channels[0].map((_, n) => channels.reduce((sum, channel) => sum + channel[n], 0) / channels.length);
  }

  function withinFullScale(signal) {
    const peak = signal.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return peak > 1 ? signal.map((value) => value / peak) : signal;
  }

  function isSilent(signal) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of signal) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return (high - low) / 2 < SILENCE;
  }

  // Samples of a file, a Blob. `known`: it was just recorded here, so it is short.
  async function samples(file, known = false) {
    if (!file.size) throw new Error("it is empty");
    const seconds = known ? 0 : await duration(file);
    if (seconds !== Infinity ? seconds > LONGEST : file.size > HUGE) {
      const length = seconds === Infinity ? "too long" : `${clock(seconds)} long`;
      throw new Error(`it is ${length}, and this page takes up to ${LONGEST} s: cut out a piece`);
    }
    const content = await file.arrayBuffer();
    const written = wavRate(content);
    const rate = written >= 3000 && written <= 96000 ? written : 48000;
    let buffer;
    try {
      buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(content);
    } catch {
      throw new Error("this browser finds no sound in it that it can read");
    }
    if (buffer.duration > LONGEST) throw new Error(`it is ${clock(buffer.duration)} long, and this page takes up to ${LONGEST} s`);
    const signal = withinFullScale(mono(buffer));
    if (isSilent(signal)) throw new Error("it is silent");
    const resampled = withinFullScale(resample(signal, rate));
    if (resampled.length < 400) throw new Error("it is shorter than one frame of 25 ms");
    return resampled;
  }

  function clock(seconds) {
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    if (seconds < 120) return `${Math.round(seconds)} s`;
    return hours ? `${hours} h ${minutes} min` : `${minutes} min`;
  }

  // A WAV file of 16 bits, for an <audio> element.
  function wav(signal, rate = RATE) {
    const view = new DataView(new ArrayBuffer(44 + 2 * signal.length));
    const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, 36 + 2 * signal.length, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, 1, true);
    view.setUint32(24, rate, true);
    view.setUint32(28, 2 * rate, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    text(36, "data");
    view.setUint32(40, 2 * signal.length, true);
    signal.forEach((value, n) => view.setInt16(44 + 2 * n, Math.max(-1, Math.min(1, value)) * 32767, true));
    return new Blob([view], { type: "audio/wav" });
  }

  return { RATE, bytes, samples, resample, wav };
})();
