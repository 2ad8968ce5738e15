import type { Texts } from './texts.js'

const START_AGAIN = 'Tiada apa-apa yang diubah. Anda boleh mulakan log masuk semula.'
const BROKEN_LINK = 'Pautan yang anda ikuti tidak lengkap atau sudah lapuk. Anda boleh mulakan log masuk semula.'
const CONTACT = 'Sila cuba lagi. Jika masalah berterusan, hubungi pihak sokongan dan berikan ID permintaan di bawah.'

/** Malay. */
export const ms: Texts = {
  signIn: {
    title: 'Log masuk',
    choose: 'Pilih portal yang ingin anda gunakan.',
    as: (role) => `Log masuk sebagai ${role}`,
    again: 'Log masuk semula',
    otherAccount: 'Gunakan akaun lain'
  },
  signedIn: {
    as: (name) => `Anda log masuk sebagai ${name}`,
    role: 'Peranan',
    allRoles: 'Semua peranan',
    email: 'E-mel',
    endsIfIdle: 'Log keluar automatik jika tiada aktiviti'
  },
  account: {
    title: 'Sesi anda',
    explanation: 'Ini ialah pelayar yang anda gunakan untuk log masuk. Jika anda tidak mengenali salah satunya, ' +
      'tamatkan sesi itu.',
    current: 'Pelayar ini',
    device: (browser, system) => `${browser} pada ${system}`,
    unknownDevice: 'Pelayar tidak diketahui',
    signedIn: 'Log masuk',
    lastSeen: 'Kali terakhir digunakan',
    address: 'Alamat semasa log masuk',
    unknownAddress: 'Tidak diketahui',
    end: 'Tamatkan sesi',
    endOthers: 'Log keluar di semua tempat lain',
    manage: 'Urus sesi',
    bound: 'Terikat pada perantinya',
    withoutDevice: 'Digunakan tanpa perantinya',
    withoutDeviceAdvice: 'Kuki sesi ini digunakan dalam pelayar yang bukan pada perantinya, dan telah ditolak. Jika ' +
      'itu bukan anda, tamatkan sesi ini dan periksa peranti itu untuk perisian hasad.'
  },
  device: {
    waiting: { title: 'Sebentar', advice: 'Pelayar anda sedang disahkan. Halaman ini akan diteruskan sendiri.' },
    unbound: {
      title: 'Sila gunakan pelayar lain',
      advice: 'Peranan anda hanya boleh digunakan dalam pelayar yang mengikat log masuk pada perantinya: Google ' +
        'Chrome pada Windows, versi 146 atau lebih baharu. Log masuk semula di sana, atau di sini jika anda sudah ' +
        'menggunakannya.'
    },
    missing: {
      title: 'Pelayar anda tidak dapat disahkan',
      advice: 'Log masuk anda terikat pada peranti tempat ia bermula. Ia belum tamat. Muat semula halaman ini ' +
        'seminit lagi, atau log masuk semula.'
    }
  },
  signOut: {
    title: 'Log keluar',
    button: 'Log keluar',
    signedInAs: (name) => `Anda telah log masuk sebagai ${name}.`,
    guest: 'Anda belum log masuk di sini. Anda masih boleh log keluar daripada perkhidmatan log masuk.',
    confirm: 'Adakah anda mahu log keluar?',
    refused: 'Halaman sebelum ini tidak dapat melakukan log keluar untuk anda. Gunakan butang ini untuk log keluar.',
    problem: 'Masalah log keluar',
    advice: 'Anda mungkin masih log masuk. Sila cuba log keluar sekali lagi.',
    changeAccount: 'Log keluar untuk menukar akaun'
  },
  signedOutNotice: 'Anda telah log keluar.',
  backToPortal: 'Kembali ke portal',
  problem: 'Masalah log masuk',
  errors: {
    ERR_AUTH_TIME: {
      title: 'Log masuk tidak cukup baharu',
      advice: 'Anda masih dilog masuk seperti sebelum ini. Sila log masuk semula; ' +
        'jika halaman ini muncul lagi, hubungi sokongan.'
    },
    ERR_CODE_MISSING: { title: 'Log masuk tidak lengkap', advice: START_AGAIN },
    ERR_COGNITO_ANSWER: {
      title: 'Perkhidmatan log masuk menghadapi masalah', advice: 'Sila cuba sebentar lagi.'
    },
    ERR_COGNITO_TIMEOUT: {
      title: 'Perkhidmatan log masuk tidak memberikan respons', advice: 'Sila cuba sebentar lagi.'
    },
    ERR_DATABASE: {
      title: 'Perkhidmatan tidak tersedia buat seketika', advice: 'Sila cuba sebentar lagi.'
    },
    ERR_FOREIGN_ORIGIN: {
      title: 'Halaman ini tidak dibenarkan berbuat demikian',
      advice: 'Permintaan ini datang daripada laman lain. Tiada apa-apa yang diubah.'
    },
    ERR_ID_TOKEN: { title: 'Log masuk tidak dapat disahkan', advice: START_AGAIN },
    ERR_INTERNAL: { title: 'Terdapat masalah', advice: CONTACT },
    ERR_LOGIN_CANCELLED: { title: 'Log masuk telah dibatalkan', advice: START_AGAIN },
    ERR_LOGIN_REFUSED: { title: 'Log masuk telah ditolak', advice: START_AGAIN },
    ERR_LOGOUT_URL: {
      title: 'Log keluar tidak boleh membawa ke alamat itu',
      advice: 'Anda mungkin masih log masuk. Sila log keluar di sini.'
    },
    ERR_LOGIN_DENIED: {
      title: 'Anda tidak boleh log masuk di sini', advice: 'Sila hubungi kami jika anda rasa ini satu kesilapan.'
    },
    ERR_OTHER_USER: {
      title: 'Anda log masuk dengan akaun lain',
      advice: 'Tiada apa-apa yang diubah. Log masuk dengan akaun yang anda gunakan di sini, atau log keluar dahulu.'
    },
    ERR_OVERLOADED: { title: 'Perkhidmatan sangat sibuk', advice: 'Sila cuba sebentar lagi.' },
    ERR_PREFETCH: {
      title: 'Log masuk tidak dimulakan',
      advice: 'Pelayar anda cuba memuatkan halaman ini lebih awal. Anda boleh mulakan log masuk semula.'
    },
    ERR_RATE_LIMIT: { title: 'Terlalu banyak log masuk', advice: 'Sila tunggu, kemudian muatkan semula halaman ini.' },
    ERR_RETURN_TO: { title: 'Log masuk tidak boleh membawa ke alamat itu', advice: BROKEN_LINK },
    ERR_ROLE_NOT_GRANTED: {
      title: 'Akaun anda tidak mempunyai peranan ini',
      advice: 'Minta peranan ini daripada pentadbir, atau log masuk dengan akaun lain.'
    },
    ERR_ROLE_UNKNOWN: { title: 'Peranan ini tidak wujud', advice: BROKEN_LINK },
    ERR_SESSION_LIMIT: {
      title: 'Anda telah log masuk pada terlalu banyak peranti',
      advice: 'Tiada apa-apa yang diubah. Log keluar pada salah satu peranti lain, kemudian log masuk semula.'
    },
    ERR_SESSION_VALUE: { title: 'Log masuk anda tidak dapat disimpan', advice: CONTACT },
    ERR_STATE_MISSING: { title: 'Log masuk tidak lengkap', advice: START_AGAIN },
    ERR_STATE_UNKNOWN: {
      title: 'Log masuk ini tidak sah lagi',
      advice: 'Log masuk ini sudah selesai, telah tamat tempoh, atau dimulakan di pelayar lain. ' +
        'Anda boleh mulakan log masuk semula.'
    },
    ERR_VALIDATION: { title: 'Pautan ini tidak sah', advice: BROKEN_LINK }
  },
  other: { title: 'Terdapat masalah', advice: START_AGAIN },
  roleNotGranted: (role) => `Akaun anda tidak mempunyai peranan “${role}”`,
  sameAccountAgain: 'Jika anda dilog masuk semula dengan akaun yang sama tanpa ditanya, log keluar dahulu.',
  tryAgain: (time) => `Sila cuba lagi ${time}.`,
  startingAgain: 'Log masuk sedang dimulakan semula.',
  cookies: {
    title: 'Kuki nampaknya dimatikan',
    advice: 'Log masuk memerlukan kuki, tetapi pelayar anda tidak menghantar sebarang kuki. ' +
      'Benarkan kuki untuk laman ini, kemudian log masuk semula.'
  },
  details: { message: 'Mesej', code: 'Kod', requestId: 'ID permintaan' }
}
