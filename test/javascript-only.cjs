// tap loads a TypeScript compiler into every test process unless this is set, and before Node.js 22
// it takes the setting back, so that it has to be set here, in the process itself.
process.env.TAP_TYPE_STRIP_ONLY = '1'
