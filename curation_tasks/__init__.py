"""Text curation for language-model training: stages that run as commands, locally or in pods."""

__version__ = "0.1.0"
