from services.trainer.networks.foreign.network import ForeignBase, foreign_base

__all__ = ["ForeignBase", "foreign_base"]
