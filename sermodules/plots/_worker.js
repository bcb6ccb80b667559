// What happens beside the page, so that it stays awake: features of a recording, and the network on a segment. Nothing here
// knows a file, a microphone or another machine.
const models = {};

// Numbers of 16 bits (sign, 5 bits of exponent, 10 of fraction) become numbers of 32.
function fromHalf(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

// The weights of a model, from base64: {layer: {name: array}}; a name with a dot is an array of a direction of the BiLSTM.
function layersOf({ weights, arrays }) {
  const text = atob(weights);
  const layers = {};
  let at = 0;
  for (const [path, size] of arrays) {
    const values = Float32Array.from({ length: size }, (_, i) => fromHalf(text.charCodeAt(at + 2 * i) | (text.charCodeAt(at + 2 * i + 1) << 8)));
    const names = path.split("/");
    const last = names.pop();
    names.reduce((place, name) => (place[name] ??= {}), layers)[last] = values;
    at += 2 * size;
  }
  return layers;
}

const jobs = {
  features: ({ signal }) => features.threeD(signal),

  segment({ model, x, start, statistics, gender }) {
    model.layers ??= layersOf(model);
    const input = features.segment(x, start, statistics ?? model.standardiser, model.padding);
    const { outputs, ...answer } = network.run(input, model.layers, gender);
    return answer;
  },

  statistics: ({ recordings }) => features.statistics(recordings),
};

onmessage = ({ data }) => {
  if (data.models) {
    Object.assign(models, data.models);
    return;
  }
  try {
    postMessage({ id: data.id, result: jobs[data.job]({ ...data, model: models[data.model] }) });
  } catch (error) {
    postMessage({ id: data.id, error: error.message });
  }
};
