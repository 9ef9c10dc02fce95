"""What is said of the tiny model of somebody else's that tests describe."""

GOOD = {
    "name": "means",
    "size": [4, 6],
    "layout": "NCHW",
    "color": "RGB",
    "mean": 0,
    "scale": 1,
    "alignment": "five-point",
}
