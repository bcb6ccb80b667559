// Features: 16 kHz samples become log-Mels with deltas, and these become the network's input. As `sermodules.features.mel` and
// `sermodules.folds.segments` compute them: HTK's Mel scale, Hamming window, frames of 25 ms every 10 ms, segments of 3 s.
const features = (() => {
  const RATE = 16000;
  const [FRAME, HOP, N_FFT] = [400, 160, 512]; // samples
  const [BANDS, CHANNELS] = [40, 3];
  const FLOOR = 1e-10; // a band's power is at least this
  const SEGMENT = 300; // frames

  const window = Float64Array.from({ length: FRAME }, (_, n) => 0.54 - 0.46 * Math.cos((2 * Math.PI * n) / (FRAME - 1)));

  // Cooley and Tukey's fast Fourier transform, in place.
  function transform(re, im) {
    const size = re.length;
    for (let i = 1, j = 0; i < size; i++) {
      let bit = size >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [re[i], re[j]] = [re[j], re[i]];
        [im[i], im[j]] = [im[j], im[i]];
      }
    }
    for (let length = 2; length <= size; length *= 2) {
      for (let k = 0; k < length / 2; k++) {
        const [cos, sin] = [Math.cos((2 * Math.PI * k) / length), -Math.sin((2 * Math.PI * k) / length)];
        for (let a = k; a < size; a += length) {
          const b = a + length / 2;
          const [x, y] = [re[b] * cos - im[b] * sin, re[b] * sin + im[b] * cos];
          [re[b], im[b]] = [re[a] - x, im[a] - y];
          [re[a], im[a]] = [re[a] + x, im[a] + y];
        }
      }
    }
  }

  // Triangles that are straight over Hz, between points that are evenly spaced over Mel: [first bin, heights] of each band.
  function melFilters() {
    const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
    const hertz = (m) => 700 * (10 ** (m / 2595) - 1);
    const edges = Array.from({ length: BANDS + 2 }, (_, i) => hertz((mel(RATE / 2) * i) / (BANDS + 1)));
    return Array.from({ length: BANDS }, (_, band) => {
      const [low, middle, high] = edges.slice(band, band + 3);
      const first = Math.ceil((low * N_FFT) / RATE);
      const heights = [];
      for (let bin = first; bin <= N_FFT / 2 && (bin * RATE) / N_FFT <= high; bin++) {
        const at = (bin * RATE) / N_FFT;
        heights.push(Math.max(0, Math.min((at - low) / (middle - low), (high - at) / (high - middle))));
      }
      return [first, heights];
    });
  }

  function logMel(signal, filters = melFilters()) {
    const frames = 1 + Math.max(0, Math.floor((signal.length - FRAME) / HOP));
    const result = new Float32Array(frames * BANDS);
    for (let t = 0; t < frames; t++) {
      const [re, im] = [new Float64Array(N_FFT), new Float64Array(N_FFT)];
      for (let n = 0; n < FRAME && t * HOP + n < signal.length; n++) re[n] = signal[t * HOP + n] * window[n];
      transform(re, im);
      filters.forEach(([first, heights], band) => {
        const power = heights.reduce((sum, height, i) => sum + height * (re[first + i] ** 2 + im[first + i] ** 2), 0);
        result[t * BANDS + band] = Math.log(Math.max(power, FLOOR));
      });
    }
    return result;
  }

  // The slope of each band over five frames; at the ends a frame is repeated.
  function deltas(x) {
    const last = x.length / BANDS - 1;
    return x.map((_, i) => {
      const [t, band] = [Math.floor(i / BANDS), i % BANDS];
      const at = (frame) => x[Math.max(0, Math.min(last, frame)) * BANDS + band];
      return (at(t + 1) - at(t - 1) + 2 * (at(t + 2) - at(t - 2))) / 10;
    });
  }

  // The signal at zero mean and unit variance, then log-Mels, deltas and deltas of these: [frame][band][channel].
  function threeD(signal) {
    const mean = signal.reduce((sum, value) => sum + value, 0) / signal.length;
    const sd = Math.sqrt(signal.reduce((sum, value) => sum + (value - mean) ** 2, 0) / signal.length);
    const channels = [logMel(Float64Array.from(signal, (value) => (value - mean) / sd))];
    channels.push(deltas(channels[0]));
    channels.push(deltas(channels[1]));
    return Float32Array.from({ length: channels[0].length * CHANNELS }, (_, i) => channels[i % CHANNELS][Math.floor(i / CHANNELS)]);
  }

  const framesOf = (x) => x.length / (BANDS * CHANNELS);

  // Mean and standard deviation of each band and channel over all frames of some recordings.
  function statistics(recordings) {
    const size = BANDS * CHANNELS;
    const [total, squares] = [new Float64Array(size), new Float64Array(size)];
    let frames = 0;
    for (const x of recordings) {
      frames += framesOf(x);
      x.forEach((value, i) => {
        total[i % size] += value;
        squares[i % size] += value ** 2;
      });
    }
    const mean = Float32Array.from(total, (sum) => sum / frames);
    const sd = Float32Array.from(squares, (sum, i) => Math.sqrt(Math.max(0, sum / frames - (total[i] / frames) ** 2)));
    return { mean, sd: sd.map((value) => (value < 1e-8 ? 1 : value)) };
  }

  // The segment that begins at a frame, standardised; what is missing of its 3 s is zeros, before or after that.
  function segment(x, start, { mean, sd }, padding) {
    const size = BANDS * CHANNELS;
    const real = x.subarray(start * size, (start + SEGMENT) * size);
    const input = new Float32Array(SEGMENT * size);
    input.set(real);
    const end = padding === "before" ? input.length : real.length;
    for (let i = 0; i < end; i++) input[i] = (input[i] - mean[i % size]) / sd[i % size];
    return input;
  }

  return { BANDS, CHANNELS, HOP, RATE, SEGMENT, framesOf, logMel, threeD, statistics, segment };
})();
