"""The command line: strings in, exit codes out. No torch until a command needs it."""
