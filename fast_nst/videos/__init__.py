"""Files of moving pictures to frames and back: numpy uint8 RGB, upright, with their times."""
