"""molvae proposes new molecules."""
