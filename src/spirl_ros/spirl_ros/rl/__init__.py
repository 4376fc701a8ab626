"""Reinforcement learning over skills: Pertsch et al. 2020, Algorithm 1, and its baselines. Needs torch."""
