"""Sizes and schedules that a run starts from: the values of ``RunConfig.preset``."""

#: Where a preset differs from the defaults below. ``paper`` has the paper's sizes; ``teaching`` is the same network, narrow
#: enough for two cores; ``smoke`` only shows that everything works.
#: The minibatch of ``teaching`` was chosen between 16 and 40, its learning rate confirmed against 2e-3, on validation speakers
#: (``studies/choose_teaching.py``). An early trial had found that rate better than 1e-4 on two test speakers of EMO-DB. Its
#: epochs are as many as fit into about a minute on EMO-DB with two cores: 264 minibatches or fewer. Of larger corpora it takes
#: more minibatches, at which this rate stalls or diverges; so the rate of a training of more than 300 falls, see `RunConfig`.
PRESETS = {
    "smoke": {
        "width": 1 / 16,
        "conv_layers": 2,
        "batch_size": 16,
        "learning_rate": 2e-3,
        "epochs": 6,
        "patience": 6,
    },
    "teaching": {
        "width": 1 / 8,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "anneal_above": 300,
        "epochs": 12,
        "patience": 8,
    },
    "paper": {},
}
