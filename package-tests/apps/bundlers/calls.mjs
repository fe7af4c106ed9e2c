// A page that has taken code of the server.

import {establishPrimaryServer} from 'primary-lease'

establishPrimaryServer('redis://localhost', 'page')
