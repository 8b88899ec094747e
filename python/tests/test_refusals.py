"""What can't be right is refused, in a sentence that names it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import llc

QUICK = dict(progress=False, record=None, num_steps=20, epsilon=1e-4, gamma=1)
X, Y = torch.randn(40, 4), torch.randint(0, 3, (40,))


def refused(error, message, model=None, data=(X, Y), loss="cross-entropy", **given):
    with pytest.raises(error, match=message):
        llc.estimate(model or nn.Linear(4, 3), data, loss, **{**QUICK, **given})


def test_models():
    refused(TypeError, "not a torch.nn.Module", model=lambda x: x)
    refused(ValueError, "requires_grad", model=nn.Linear(4, 3).requires_grad_(False))
    refused(ValueError, "batch norm without running statistics", model=nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3)))
    refused(ValueError, "float32, float64", model=nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3).double()))
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    refused(ValueError, "1.weight is tied to 0.weight", model=tied, params="1.weight")
    refused(ValueError, "only whole tensors", params="weight[:, 0:2]")
    refused(ValueError, "no shape yet", model=nn.LazyLinear(3))
    broken = nn.Linear(4, 3)
    broken.weight.data[0, 0] = float("nan")
    refused(ValueError, "weight has an entry that is not finite", model=broken)


def test_losses():
    refused(ValueError, "there is no 'crossentropy'", loss="crossentropy")
    refused(TypeError, "neither a name", loss=3)
    refused(TypeError, "returned float", loss=lambda model, batch: 1.0)
    refused(ValueError, r"shape \(40, 3\) for a batch of 40", loss=lambda model, batch: model(batch[0]))
    refused(ValueError, "does not depend on the sampled parameters", loss=lambda model, batch: F.cross_entropy(model(batch[0]).detach(), batch[1]))
    refused(ValueError, "is random", loss=lambda model, batch: F.cross_entropy(F.dropout(model(batch[0]), 0.5), batch[1]))
    refused(ValueError, "is nan", loss=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]) * float("nan"))
    refused(ValueError, "make them the same", model=nn.Linear(4, 1), data=(X, torch.randn(40)), loss="mse")

    def training(model, batch):
        model.train()
        return F.cross_entropy(model(batch[0]), batch[1])

    refused(ValueError, "into train mode", model=nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)), loss=training)
    tokens = torch.randint(0, 3, (40, 5))
    refused(ValueError, 'take "causal-lm"', model=nn.Embedding(3, 3), data={"input_ids": tokens, "labels": tokens})
    refused(ValueError, r"batches of \(inputs, targets\)", data=X)
    refused(RuntimeError, "shapes cannot be multiplied", model=nn.Linear(5, 3))


def test_data():
    refused(ValueError, "different numbers of rows", data=(X, Y[:30]))
    refused(ValueError, "num_samples is 41", num_samples=41)
    refused(ValueError, "may never end", data=((X[:2], Y[:2]) for _ in range(5)))
    refused(ValueError, "hold 10 samples, fewer than", data=((X[:2], Y[:2]) for _ in range(5)), num_samples=11)
    refused(TypeError, "str is not data", data="mnist")
    refused(ValueError, "rows of different shapes", data=[(torch.randn(2, 4), Y[:2]), (torch.randn(2, 5), Y[:2])], loss=lambda m, b: m(b[0]).mean())
    refused(ValueError, "num_samples is 2", data=(X[:2], Y[:2]))

    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            return X[index] + torch.randn(4), Y[index]

    est = llc.estimate(nn.Linear(4, 3), Noisy(), "cross-entropy", **QUICK)
    assert any("kept as it was first read" in note for note in est.notes)
