"""Review: an output folder's triplets, rejections, terms and passages on pages of a local web server, and why they are so."""
