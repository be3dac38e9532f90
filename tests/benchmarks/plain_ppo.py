"""PPO around a plain policy, as one writes it: the peer of glulam's trainer, with the same numbers.

Legend: `B` rows of the environment, `H` steps of a rollout, `S` rows of a minibatch. A name that ends in `_tp1` holds
at column t what belongs to step t+1.
"""

import torch

__all__ = ["PlainPpo"]

CLIP, VALUE_COEF, ENTROPY_COEF = 0.2, 0.5, 0.01


class PlainPpo:
    """Plays H steps in every row and learns from them, in epochs of minibatches of whole rows.

    Args:
        plain: a plain policy.
        environment: of glulam's protocol, which starts episodes anew in the step that ends them.
        settings: `horizon`, `epochs`, `minibatches`, `learning_rate`, `adam_eps`, `gamma`, `gae_lambda`,
            `max_grad_norm` and `seed`.
    """

    def __init__(self, plain, environment, settings):
        self.plain, self.environment, self.settings = plain, environment, settings
        self.td = environment.reset()
        obs = self.td["env_obs"]
        shape = len(obs), settings.horizon
        self.obs = obs.new_zeros(*shape, *obs.shape[1:])  # (B, H, N, 3)
        self.actions = torch.zeros(shape, dtype=torch.int64)
        self.log_probs, self.values, self.reward_tp1, self.value_tp1 = torch.zeros(4, *shape)
        self.resets, self.done_tp1, self.truncated_tp1 = torch.zeros(3, *shape, dtype=torch.bool)
        self.plain.memory.state = plain.memory.zeros(self.values)
        self.shuffles = torch.Generator().manual_seed(settings.seed)
        self.adam = torch.optim.Adam(plain.parameters(), lr=settings.learning_rate, eps=settings.adam_eps)

    def update(self):
        """Play and learn; return the largest |ratio - 1| before anything was learned."""
        start = self.plain.memory.state
        self.play()
        advantages = self.advantages()
        returns = advantages + self.values
        ratio_error = None
        for _ in range(self.settings.epochs):
            order = torch.randperm(len(self.obs), generator=self.shuffles)
            for rows in order.chunk(self.settings.minibatches):
                loss, ratio = self.loss(rows, start, advantages, returns)
                if ratio_error is None:
                    ratio_error = (ratio - 1).abs().max().item()
                self.learn(loss)
        return ratio_error

    @torch.no_grad()
    def play(self):
        """Fill `[B, H]` of everything."""
        plain, td = self.plain, self.td
        for t in range(self.settings.horizon):
            self.obs[:, t] = td["env_obs"]
            self.resets[:, t] = td["dones"] | td["truncateds"]
            acted = plain.act(td["env_obs"], td["dones"], td["truncateds"])
            self.actions[:, t], self.log_probs[:, t], self.values[:, t] = acted
            td = self.environment.step(acted[0])
            self.reward_tp1[:, t], self.done_tp1[:, t] = td["rewards"], td["dones"]
            self.truncated_tp1[:, t] = td["truncateds"]
            if td["truncateds"].any():
                self.value_tp1[:, t] = self.value(td["final_obs"], torch.zeros_like(td["dones"]))
        self.td = td
        following = torch.cat(
            [self.values[:, 1:], self.value(td["env_obs"], td["dones"] | td["truncateds"])[:, None]], 1
        )
        self.value_tp1 = torch.where(self.truncated_tp1, self.value_tp1, following)

    def value(self, obs, resets):
        """Return the values (`[B]`) of a step that is not played."""
        return self.plain.unroll(obs[:, None], resets[:, None], self.plain.memory.state)[1][:, 0]

    def advantages(self):
        """Return generalised advantages, `[B, H]`."""
        settings = self.settings
        delta = self.reward_tp1 + settings.gamma * self.value_tp1 * ~self.done_tp1 - self.values
        goes_on = ~(self.done_tp1 | self.truncated_tp1)
        advantages = torch.zeros_like(delta)
        after = torch.zeros_like(delta[:, 0])
        for t in reversed(range(settings.horizon)):
            after = delta[:, t] + settings.gamma * settings.gae_lambda * goes_on[:, t] * after
            advantages[:, t] = after
        return advantages

    def loss(self, rows, start, advantages, returns):
        """Return the loss of a minibatch, and its ratios (`[S, H]`) of probabilities."""
        state = tuple(part[:, rows] for part in start)
        scored = self.plain.score(self.obs[rows], self.resets[rows], self.actions[rows], state)
        log_probs, entropy, values = scored
        ratio = (log_probs - self.log_probs[rows]).exp()
        advantage = advantages[rows]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
        error = 0.5 * (values - returns[rows]).square().mean()
        return -gain + VALUE_COEF * error - ENTROPY_COEF * entropy.mean(), ratio

    def learn(self, loss):
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.plain.parameters(), self.settings.max_grad_norm)
        self.adam.step()
