"""Reading and writing videos and animations: upright uint8 RGB frames with timestamps."""
