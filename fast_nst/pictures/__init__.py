"""Reading, writing and editing images with Pillow and NumPy; never imports torch."""
