"""The pages for people; `generate` writes those that the code already says."""
