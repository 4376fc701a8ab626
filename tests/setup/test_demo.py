from workspace.demo import demo_command


def test_only_arguments_with_a_value_are_passed():
    command = demo_command(["episodes:=3", "viewer:=none", "rate:=", "seed:=0"], has_launch=False)
    assert command == ["spirl", "up", "kitchen_sim", "episodes:=3", "viewer:=none", "seed:=0"]


def test_ros2_launch_is_taken_where_it_is_installed():
    assert demo_command(["seed:=1"], has_launch=True) == [
        "ros2",
        "launch",
        "spirl_ros",
        "kitchen_sim.launch.py",
        "seed:=1",
    ]
