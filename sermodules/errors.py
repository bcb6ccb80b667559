"""The errors that a user can mend: each message says what is wrong, where, and what to do."""


class SermodulesError(Exception):
    """Base of all errors below; the command line prints its message without a traceback."""


class ConfigError(SermodulesError, ValueError):
    """A parameter, a study file or a combination of settings is not allowed."""


class CorpusError(SermodulesError):
    """A corpus is missing, incomplete or not laid out as expected."""


class AudioError(SermodulesError):
    """One or more audio files cannot be used; the message names every one with the reason."""


class ProtocolError(SermodulesError):
    """The folds that were asked for cannot be made from this corpus."""


class TrainingError(SermodulesError):
    """Training could not go on, for example because the loss was no longer a number."""


class BackendError(SermodulesError):
    """Keras cannot start; the message says which variable chooses its backend, and what to install."""


class StoreError(SermodulesError):
    """A run's folder is incomplete, altered or cannot be written."""


class StudyError(SermodulesError):
    """A study cannot go on, for example because no worker is fit to do its runs."""
