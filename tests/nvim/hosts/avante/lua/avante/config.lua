return { provider = nil, providers = {} }
