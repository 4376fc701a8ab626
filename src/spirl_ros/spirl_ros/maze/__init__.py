"""The maze of Pertsch et al. 2020: a point that is pushed through walls' doors to a goal it cannot see."""
