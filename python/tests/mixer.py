"""A model with what trips tools up: batch norm, dropout, frozen and shared weights, a buffer."""

import torch
from torch import nn
from torch.nn import functional as F


class Mixer(nn.Module):
    """Three classes of six inputs; two layers share their weight."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.3)
        self.second, self.third = nn.Linear(5, 5, bias=False), nn.Linear(5, 5)
        self.third.weight = self.second.weight
        self.frozen, self.head = nn.Linear(5, 5), nn.Linear(5, 3)
        self.frozen.requires_grad_(False)
        self.register_buffer("shift", torch.linspace(-1, 1, 5))

    def forward(self, x):
        x = self.drop(torch.tanh(self.norm(self.first(x))))
        return self.head(torch.tanh(self.frozen(torch.tanh(self.third(torch.tanh(self.second(x)))) + self.shift)))


def mixed():
    """The model, trained a little and in train mode, its inputs `[203, 6]` and labels `[203]`."""
    torch.manual_seed(5)
    model = Mixer()
    x = torch.randn(203, 6)
    y = torch.randint(0, 3, (203,))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, x, y
