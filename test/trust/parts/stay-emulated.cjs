// Loaded before everything in an emulated Node (`--require`): what it starts by its own path, it starts in the emulator again. Without it
// a child would be the real machine's.
process.execPath = process.env.MINIBATCH_EMULATED_NODE;
