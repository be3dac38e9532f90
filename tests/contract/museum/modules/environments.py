"""See `environments.py` one folder up."""

from __future__ import annotations

import torch
from torch import nn

from glulam import NameReport
from tests.contract.museum.modules.good import Table


class AccumulatesNames(Table):
    def initialize_to_environment(self, env, device=None):
        self.known = [*self.known, *env.actions.names][-len(self.weight) :]
        super().initialize_to_environment(env, device)


class StartsAfresh(Table):
    def initialize_to_environment(self, env, device=None):
        nn.init.normal_(self.weight)
        super().initialize_to_environment(env, device)


class KeepsTheOldMap(Table):
    def initialize_to_environment(self, env, device=None):
        if not self.present:
            super().initialize_to_environment(env, device)


class GoesByPosition(Table):
    def map(self, device):
        super().map(device)
        self.index = torch.arange(len(self.present), device=device)
        self.there = torch.ones_like(self.index, dtype=torch.bool)


class TellsNothing(Table):
    def name_report(self):
        return NameReport.of(self.present, self.present)


class LearnsInSilence(Table):
    def learn_names(self, env):
        super().learn_names(env)
        return ()


class NamesNotSaved(Table):
    def get_extra_state(self):
        return {}

    def set_extra_state(self, state):
        pass


class UnknownIsTheFirst(Table):
    def forward(self):
        return self.weight[self.index]
