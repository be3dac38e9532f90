"""Returns and lengths of episodes, by hand."""

import math

import pytest
import torch

from glulam_train.episodes import Episodes


class TestEpisodes:
    def test_returns_and_lengths_are_those_of_each_row(self):
        episodes = Episodes(2)
        script = [([1, 5], [0, 1]), ([2, 6], [0, 0]), ([3, 7], [1, 1])]
        for reward, ended in script:
            episodes.add(torch.tensor(reward).float(), torch.tensor(ended).bool(), torch.ones(2).bool())
        assert list(episodes.finished) == [(5.0, 1, 1), (6.0, 3, 0), (13.0, 2, 3)]
        assert episodes.count == 3
        spread = 1.96 * math.sqrt((3**2 + 2**2 + 5**2) / 2 / 3)  # of the mean of three, by hand
        assert episodes.means() == {"return_mean": 8.0, "return_ci95": pytest.approx(spread), "length_mean": 2.0}

    def test_agents_of_one_world_are_one_observation(self):
        """Oracle: the interval of the two worlds' sums, by hand; whatever is between the agents of one cancels."""
        episodes = Episodes(4, agents=2)
        episodes.add(torch.tensor([1.0, 3.0, 9.0, 7.0]), torch.tensor([1, 0, 1, 1]).bool(), torch.ones(4).bool())
        episodes.add(torch.tensor([0.0, 0.0, 0.0, 0.0]), torch.tensor([0, 1, 0, 0]).bool(), torch.ones(4).bool())
        assert [group for _, _, group in episodes.finished] == [0, 1, 1, 0]
        assert episodes.means()["return_ci95"] == pytest.approx(1.96 * math.sqrt((6**2 + 6**2) * 2 / 4**2))

    def test_one_world_has_no_interval(self):
        episodes = Episodes(2, agents=2)
        episodes.add(torch.tensor([1.0, 3.0]), torch.tensor([True, True]), torch.ones(2).bool())
        assert episodes.means() == {"return_mean": 2.0, "return_ci95": None, "length_mean": 1.0}

    def test_episodes_of_an_older_point_are_of_worlds_of_their_own(self):
        episodes = Episodes(2, agents=2)
        episodes.restore(7, [[1.0, 3], [2.0, 4]])
        episodes.add(torch.ones(2), torch.tensor([True, True]), torch.ones(2).bool())
        assert [group for _, _, group in episodes.finished] == [-1, -2, 0, 0]
        assert episodes.count == 9

    @pytest.mark.parametrize("how", ["left", "resumed"])
    def test_episodes_of_two_worlds_are_never_one_group(self, how):
        """Agent 0 has played one episode more than agent 1 when the world is left: both begin anew together."""
        episodes, every = Episodes(2, agents=2), torch.ones(2).bool()
        episodes.add(torch.ones(2), torch.tensor([True, False]), every)
        if how == "left":
            episodes.forget_unfinished()
        else:
            old, episodes = episodes, Episodes(2, agents=2)
            episodes.restore(old.count, old.finished)
        episodes.add(torch.ones(2), every, every)
        groups = [group for _, _, group in episodes.finished]
        assert groups[1] == groups[2] != groups[0]

    def test_a_step_whose_action_is_ignored_has_no_length(self):
        episodes = Episodes(1)
        for counted, ended in [(1, 0), (1, 1), (0, 0), (1, 1)]:
            flags = torch.tensor([[ended], [counted]]).bool()
            episodes.add(torch.tensor([1.0 * counted]), *flags)
        assert list(episodes.finished) == [(2.0, 2, 0), (1.0, 1, 1)]

    def test_before_the_first_end_there_is_no_mean(self):
        assert Episodes(3).means() == {"return_mean": None, "return_ci95": None, "length_mean": None}

    def test_only_recent_episodes_count(self):
        episodes = Episodes(1)
        for number in range(150):
            episodes.add(torch.tensor([float(number)]), torch.tensor([True]), torch.tensor([True]))
        assert episodes.count == 150
        assert episodes.means()["return_mean"] == sum(range(50, 150)) / 100
