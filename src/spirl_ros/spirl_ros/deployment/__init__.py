"""From trained networks to what runs on the robot: export, bundle, runner. Only the export needs torch."""
