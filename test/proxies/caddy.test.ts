import { caddyProxy } from '../support/guarded.js'
import { suite } from './suite.js'

suite(caddyProxy)
