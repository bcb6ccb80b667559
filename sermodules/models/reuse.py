"""What a process trained last, for a run that would train the same. It needs no Keras, as the steps of a run do not."""


class Previous:
    """What a process trained last, epoch by epoch, so that a run that would train the same need not compute it again.

    Parameters
    ----------
    limit : int
        What the weights of all epochs of a training may take (bytes) to be kept.

    Attributes
    ----------
    taken : bool
        Whether the last run that asked got a training.
    """

    def __init__(self, limit=2**32):
        self.limit, self.taken, self._last = limit, False, None

    def take(self, key):
        """Hand over the training with this key, or None; nothing is kept then."""
        last, self._last = self._last, None
        self.taken = last is not None and last.key == key
        return last if self.taken else None

    def keep(self, training):
        """Keep a training, if it has any epoch."""
        self._last = training if training.epochs else None


#: The one that `sermodules.runs` hands to `fit`, unless another is given.
PREVIOUS = Previous()
