"""Operations that change text and never drop a row."""
