"""taskman, headway's reference application: agile project management with objectives and key results."""
