"""What the paper is compared with, under the same folds and metrics: a file each.

A baseline is a model name like any other: ``RunConfig.create(model="svm_compare", ...)``. It prepares its own features and
trains in its own way; the fold, the utterances and the scores are those of every run. (The two ACRNN configurations are
networks of `sermodules.models.cnn_bilstm`.)
"""
