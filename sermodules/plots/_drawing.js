// Drawing: paths of an SVG whose units are steps from left to right and 0 to 1 from top to bottom, and pictures of log-Mels.
const drawing = (() => {
  // A line of steps; `top` is the value at the upper edge.
  const stairs = (values, top) =>
    `M0 ${(1 - values[0] / top).toFixed(4)}` + Array.from(values, (value, t) => `V${(1 - value / top).toFixed(4)}H${t + 1}`).join("");

  // The window of step t: bar j stands at step t - before + j, or at step j if `before` is null.
  function bars(row, t, { before, top, last }) {
    const bar = (weight, j) => {
      const x = before === null ? j : t - before + j;
      return x < 0 || x > last ? "" : `M${x} 1V${1 - weight / top}H${x + 1}V1Z`;
    };
    return Array.from(row, bar).join("");
  }

  // The lowest and highest sample of each of `columns` pieces, as one closed outline over a width of 1.
  function wave(signal, columns = 600) {
    const [above, below] = [[], []];
    for (let n = 0; n < columns; n++) {
      let [low, high] = [0, 0];
      for (const value of signal.subarray((n * signal.length) / columns, ((n + 1) * signal.length) / columns)) {
        [low, high] = [Math.min(low, value), Math.max(high, value)];
      }
      above.push(`${n / columns} ${(0.5 - high / 2).toFixed(4)}`);
      below.unshift(`${n / columns} ${(0.5 - low / 2).toFixed(4)}`);
    }
    return `M${[...above, ...below].join("L")}Z`;
  }

  // The first of three channels of log-Mels as a PNG; `colours` is the colour map, six hexadecimal digits each.
  function picture(x, bands, channels, colours) {
    const frames = x.length / (bands * channels);
    const statics = x.filter((_, i) => i % channels === 0);
    const [low, high] = statics.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const canvas = Object.assign(document.createElement("canvas"), { width: frames, height: bands });
    const context = canvas.getContext("2d");
    const image = context.createImageData(frames, bands);
    statics.forEach((value, i) => {
      const shade = Math.min(colours.length / 6 - 1, Math.floor(((value - low) / (high - low || 1)) * (colours.length / 6)));
      const [t, band] = [Math.floor(i / bands), i % bands];
      const place = 4 * ((bands - 1 - band) * frames + t);
      for (let c = 0; c < 3; c++) image.data[place + c] = parseInt(colours.substr(6 * shade + 2 * c, 2), 16);
      image.data[place + 3] = 255;
    });
    context.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }

  return { stairs, bars, wave, picture };
})();
