import 'reflect-metadata'
import { Controller, Get, Module, Session } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import session from 'express-session'
import { PgSessionStore } from 'cashsouk-auth/session-store'

@Controller()
class Views {
  @Get()
  count (@Session() stored: { views?: number }): { views: number } {
    stored.views = (stored.views ?? 0) + 1
    return { views: stored.views }
  }
}

@Module({ controllers: [Views] })
class Application {}

async function main (): Promise<void> {
  const store = new PgSessionStore({ conString: process.env['DATABASE_URL'] ?? '' })
  const app = await NestFactory.create(Application, { logger: ['error'] })
  app.use(session({ store, secret: 's'.repeat(32), resave: false, saveUninitialized: false }))
  await app.listen(0, '127.0.0.1')
  const url = await app.getUrl()
  const first = await fetch(url)
  const answers: unknown[] = [await first.json()] // express-session ends the body after the save
  const cookie = first.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  const second = await fetch(url, { headers: { cookie } })
  answers.push(await second.json())
  await app.close()
  await store.close()
  console.log(JSON.stringify(answers))
}

void main()
