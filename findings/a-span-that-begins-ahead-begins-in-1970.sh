#!/usr/bin/env bash
# OpenTelemetry's JavaScript API takes the time of a span as a number: milliseconds since 1970, or a reading of
# performance.now(). The SDK tells them apart by size alone: what is above performance.now() at that moment counts from
# 1970. So one number means two times, half a century apart, before and after the process is as old as it says. A span
# that is to begin, or to end, a little ahead, as with a planned time or a reading of another thread, is of 1970; and an
# end of 1970 gives a duration of 0. Only the API's diagnostic logger is told, and there is none by default.
#
# expected:
# a start 200 ms ahead: 1970
# the same number 300 ms later: the present year
# an end 200 ms ahead, of a span that began now: 0 ms
# the same as a Date: 200 ms
# end
. "$(dirname "$0")/lib.sh"
install @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1
run <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
const tracer = new BasicTracerProvider().getTracer('finding')
const year = ([seconds]) => {
  const found = new Date(seconds * 1000).getUTCFullYear()
  return found === new Date().getUTCFullYear() ? 'the present year' : String(found)
}
const ms = ([seconds, nanoseconds]) => `${Math.round((seconds * 1000 + nanoseconds / 1e6) / 100) * 100} ms`
const ahead = performance.now() + 200
console.log(`a start 200 ms ahead: ${year(tracer.startSpan('a', { startTime: ahead }).startTime)}`)
await sleep(300)
console.log(`the same number 300 ms later: ${year(tracer.startSpan('b', { startTime: ahead }).startTime)}`)
const number = tracer.startSpan('c', { startTime: performance.now() })
number.end(performance.now() + 200)
console.log(`an end 200 ms ahead, of a span that began now: ${ms(number.duration)}`)
const date = tracer.startSpan('d', { startTime: new Date() })
date.end(new Date(Date.now() + 200))
console.log(`the same as a Date: ${ms(date.duration)}`)
JS
