"""Reports as pages: one HTML file each, with its plots inside, that needs nothing else to be read or printed.

A page is made from the JSON of a training run or of evaluations, and shows nothing that is not in it.
"""

from precordia.report.card import card_markdown
from precordia.report.evaluation import evaluation_page
from precordia.report.training import training_page

__all__ = ["card_markdown", "evaluation_page", "training_page"]
