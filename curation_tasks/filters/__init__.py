"""Operations that measure documents and reject those that miss a rule."""
