"""How fast this project computes, beside other ways to compute the same: ``python -m benchmarks``.

- `benchmarks.training`: training steps, beside the stock attention layer with ``model.fit``, PyTorch, and the machine's peak.
- `benchmarks.features`: log-Mels, beside librosa, openSMILE and python_speech_features.
- `benchmarks.memory`: peak memory of a run and of a worker.

A figure is a ratio within one run: the contenders take turns, round after round, so whatever slows the machine for a while
slows them all. The table gives medians over the rounds, and in brackets the lowest and the highest.
"""
