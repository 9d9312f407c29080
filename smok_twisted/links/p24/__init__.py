"""P24, the first-generation protocol (design note p24). Pure: commands, translation, pipeline. Both sides of a link."""
