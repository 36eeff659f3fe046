/**
 * What the executable's bundles take for clipanion: the same classes, each loaded when it is first
 * used. Its own index loads and sets up the whole parser, which a plain command line never needs.
 */
'use strict';

module.exports = {
  get Cli() {
    return require('clipanion/lib/advanced/Cli.js').Cli;
  },
  get Command() {
    return require('clipanion/lib/advanced/Command.js').Command;
  },
  get Option() {
    return require('clipanion/lib/advanced/options/index.js');
  },
  get UsageError() {
    return require('clipanion/lib/errors.js').UsageError;
  },
};
