"""Moving pictures: what keeps the frames of a shot alike, and what tells that they are not."""
