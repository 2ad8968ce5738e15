import { nginxProxy } from '../support/guarded.js'
import { suite } from './suite.js'

suite(nginxProxy)
