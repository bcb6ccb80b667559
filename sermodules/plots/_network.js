// The whole network: one segment of 3 s in, one logit a class out. The layers of `sermodules.models.cnn_bilstm`, with the same
// weights. Every array is flat: the last axis lies together, so entry (t, n) of a sequence stands at t * size + n.
const network = (() => {
  const [FRAMES, BANDS] = [300, 40];
  const WINDOW = 15; // steps that self-attention looks at

  const leakyReLU = (x) => x.map((value) => (value > 0 ? value : 0.01 * value));
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  function softmax(scores) {
    const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = Float64Array.from(scores, (score) => Math.exp(score - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }

  // What a filter of 5 frames by 3 bands sees at (t, f) of x, (time, bands, channels); beyond the edges of the picture are zeros.
  function look(x, time, bands, channels, t, f, patch) {
    patch.fill(0);
    for (let i = Math.max(-2, -t); i <= Math.min(2, time - 1 - t); i++) {
      for (let j = Math.max(-1, -f); j <= Math.min(1, bands - 1 - f); j++) {
        const from = ((t + i) * bands + f + j) * channels;
        const to = ((i + 2) * 3 + j + 1) * channels;
        for (let c = 0; c < channels; c++) patch[to + c] = x[from + c];
      }
    }
  }

  // Each filter at each place: the sum of what it sees times its kernel. Nearly all of the network's work is here, so filters go
  // in fours: a number that is read once serves four times.
  function convolution(x, time, bands, { kernel, bias }) {
    const [filters, channels] = [bias.length, x.length / (time * bands)];
    const size = 15 * channels;
    const w = new Float64Array(kernel.length); // the numbers of a filter lie together
    kernel.forEach((value, i) => (w[(i % filters) * size + Math.floor(i / filters)] = value));
    const y = new Float32Array(time * bands * filters);
    const patch = new Float64Array(size);
    for (let t = 0, to = 0; t < time; t++) {
      for (let f = 0; f < bands; f++) {
        look(x, time, bands, channels, t, f, patch);
        for (let n = 0; n < filters; n += 4, to += 4) {
          let [a, b, c, d] = [bias[n], bias[n + 1], bias[n + 2], bias[n + 3]];
          for (let k = 0, at = n * size; k < size; k++, at++) {
            const value = patch[k];
            a += value * w[at];
            b += value * w[at + size];
            c += value * w[at + 2 * size];
            d += value * w[at + 3 * size];
          }
          y[to] = a;
          y[to + 1] = b;
          y[to + 2] = c;
          y[to + 3] = d;
        }
      }
    }
    return y;
  }

  // The largest of 2 by 2 places.
  function maxPooling(x, time, bands) {
    const channels = x.length / (time * bands);
    const at = (t, f, c) => x[(t * bands + f) * channels + c];
    return Float32Array.from({ length: x.length / 4 }, (_, i) => {
      const c = i % channels;
      const f = 2 * (Math.floor(i / channels) % (bands / 2));
      const t = 2 * Math.floor(i / (channels * (bands / 2)));
      return Math.max(at(t, f, c), at(t, f + 1, c), at(t + 1, f, c), at(t + 1, f + 1, c));
    });
  }

  // Each row of x times a matrix, (inputs, outputs), plus a bias.
  function dense(x, kernel, bias) {
    const outputs = bias.length;
    const inputs = kernel.length / outputs;
    const y = new Float32Array((x.length / inputs) * outputs);
    const sum = new Float64Array(outputs);
    for (let row = 0; row < x.length / inputs; row++) {
      sum.set(bias);
      for (let i = 0, k = 0; i < inputs; i++) {
        const value = x[row * inputs + i];
        for (let n = 0; n < outputs; n++) sum[n] += value * kernel[k++];
      }
      y.set(sum, row * outputs);
    }
    return y;
  }

  // One direction: the cell is kept by the forget gate f and fed by the input gate i; the output gate o shows it.
  function lstm(x, time, { kernel, recurrent, bias }, backwards) {
    const units = bias.length / 4;
    const fromInput = dense(x, kernel, bias);
    const y = new Float32Array(time * units);
    const cell = new Float64Array(units);
    let state = new Float32Array(units);
    for (let n = 0; n < time; n++) {
      const t = backwards ? time - 1 - n : n;
      const gates = dense(state, recurrent, fromInput.subarray(t * 4 * units, (t + 1) * 4 * units));
      state = state.map((_, u) => {
        const [i, f, o] = [gates[u], gates[units + u], gates[3 * units + u]].map(sigmoid);
        cell[u] = f * cell[u] + i * Math.tanh(gates[2 * units + u]);
        return o * Math.tanh(cell[u]);
      });
      y.set(state, t * units);
    }
    return y;
  }

  function biLSTM(x, time, { forward, backward }) {
    const directions = [lstm(x, time, forward, false), lstm(x, time, backward, true)];
    const units = directions[0].length / time;
    return Float32Array.from({ length: 2 * time * units }, (_, i) => {
      const place = i % (2 * units);
      return directions[place < units ? 0 : 1][Math.floor(i / (2 * units)) * units + (place % units)];
    });
  }

  // Model 1: a score for each step, the softmax of the scores, and the weighted sum of the steps.
  function attention(h, time, { w, b, v }) {
    const size = h.length / time;
    const weights = softmax(dense(dense(h, w, b).map(Math.tanh), v, new Float32Array(1)));
    const pooled = new Float32Array(size).map((_, n) => weights.reduce((sum, weight, t) => sum + weight * h[t * size + n], 0));
    return { weights, windows: null, steps: h, pooled };
  }

  // Model 2: each step becomes a weighted mean of the 15 steps around it; then the plain mean of all.
  function selfAttention(h, time, { w_t, w_x, b_h, w_a, b_a }) {
    const size = h.length / time;
    const units = b_h.length;
    const asks = dense(h, w_t, b_h);
    const answers = dense(h, w_x, new Float32Array(units));
    const windows = new Float32Array(time * WINDOW); // entry j of step t is its weight on step t - 7 + j
    const weights = new Float64Array(time); // what each step counts in the mean
    const steps = new Float32Array(time * size);
    for (let t = 0; t < time; t++) {
      const near = [];
      for (let s = Math.max(0, t - 7); s <= Math.min(time - 1, t + 7); s++) near.push(s);
      const row = softmax(
        near.map((s) => {
          let score = b_a[0];
          for (let u = 0; u < units; u++) score += w_a[u] * Math.tanh(asks[t * units + u] + answers[s * units + u]);
          return Math.max(0, score);
        }),
      );
      near.forEach((s, i) => {
        windows[t * WINDOW + s - t + 7] = row[i];
        weights[s] += row[i] / time;
        for (let n = 0; n < size; n++) steps[t * size + n] += row[i] * h[s * size + n];
      });
    }
    const pooled = new Float32Array(size).map((_, n) => {
      let sum = 0;
      for (let t = 0; t < time; t++) sum += steps[t * size + n] / time;
      return sum;
    });
    return { weights, windows, steps, pooled };
  }

  // 64 numbers for a woman (0) or a man (1).
  function genderBranch(gender, layers) {
    const size = layers.gender_embedding.embeddings.length / 2;
    const row = layers.gender_embedding.embeddings.subarray(gender * size, (gender + 1) * size);
    return dense(row, layers.gender_dense.kernel, layers.gender_dense.bias);
  }

  // The layers after the attention.
  function head(vector, branch, layers) {
    const both = Float32Array.from([...vector, ...branch]);
    const hidden = dense(both, layers.dense.kernel, layers.dense.bias).map((value) => Math.max(0, value));
    return dense(hidden, layers.logits.kernel, layers.logits.bias);
  }

  // All that the network computes of a segment, (300, 40, 3): the output of each layer by its name, the attention, the logits,
  // and the posteriors that its last layers would give if each step stood alone.
  function run(input, layers, gender) {
    const outputs = {};
    let [x, time, bands] = [input, FRAMES, BANDS];
    for (let number = 1; layers[`conv${number}`]; number++) {
      x = convolution(x, time, bands, layers[`conv${number}`]);
      if (number === 1) {
        x = maxPooling(x, time, bands);
        [time, bands] = [time / 2, bands / 2];
      }
      x = outputs[`conv${number}_activation`] = leakyReLU(x);
    }
    x = outputs.linear = dense(x, layers.linear.kernel, layers.linear.bias);
    const h = (outputs.bilstm = biLSTM(x, time, layers.bilstm));
    const looked = (layers.attention.v ? attention : selfAttention)(h, time, layers.attention);
    const branch = layers.gender_embedding ? genderBranch(gender, layers) : [];
    const logits = head(looked.pooled, branch, layers);
    const size = looked.pooled.length;
    const alone = Array.from({ length: time }, (_, t) => softmax(head(looked.steps.subarray(t * size, (t + 1) * size), branch, layers)));
    return { outputs, ...looked, logits, posteriors: softmax(logits), alone };
  }

  return { run, softmax };
})();
