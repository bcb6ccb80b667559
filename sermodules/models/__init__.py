"""What learns: one interface, the networks, the baselines.

`method` is the interface that every model stands behind, `epochs` trains networks, `cnn_bilstm` builds the paper's, `attention`
holds the ways from a sequence to a vector, `baselines` the other methods, a file each. Nothing here knows of studies.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(  # so that reading a name of this folder alone starts no TensorFlow
    __name__,
    submod_attrs={
        "attention": ["ATTENTIONS", "attention_weights"],
        "cnn_bilstm": ["CnnBilstm", "encoder", "gender_branch", "network"],
        "epochs": ["NetworkMethod", "parameters"],
        "method": ["Fitted", "Method", "build", "logits", "predict", "resolve"],
    },
)
