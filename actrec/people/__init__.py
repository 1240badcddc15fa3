"""Where the people of a clip are: boxes by YOLO, or, without it, by what moves."""
