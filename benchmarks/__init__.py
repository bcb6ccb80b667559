"""How fast this project computes, beside other ways to compute the same: ``python -m benchmarks``.

- `benchmarks.training`: training steps, beside the stock attention layer with ``model.fit``, PyTorch, and the machine's peak.
- `benchmarks.features`: log-Mels, beside librosa, openSMILE and python_speech_features.
- `benchmarks.memory`: peak memory of a run and of a worker, and how a run's own memory grows with the corpus.
- `benchmarks.parts`: a training step taken apart: convolutions, BiLSTM, attention, rest.
- `benchmarks.against`: training steps, beside the code of another commit in its own environment.
- `benchmarks.first`: the first minutes, phase by phase, perhaps beside another commit's.

A figure is a ratio within one run: the contenders take turns, round after round, so whatever slows the machine for a while
slows them all. The table gives medians over the rounds, and in brackets the lowest and the highest.
"""
