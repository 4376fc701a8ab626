"""Skill-prior reinforcement learning (SPiRL) as a ROS 2 stack for simulated and real arms."""
